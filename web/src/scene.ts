import {
  AmbientLight,
  AxesHelper,
  BoxGeometry,
  BufferAttribute,
  BufferGeometry,
  Color,
  CylinderGeometry,
  DirectionalLight,
  DynamicDrawUsage,
  IcosahedronGeometry,
  InstancedMesh,
  LineBasicMaterial,
  LineSegments,
  Matrix4,
  MeshLambertMaterial,
  OctahedronGeometry,
  PerspectiveCamera,
  Quaternion,
  Scene,
  Vector3,
  WebGLRenderer,
} from "three";
import type { Material } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { named, ofConfidence, ofLabels } from "./colours";
import { floor, putUnder } from "./floor";
import { bodyIn, Path } from "./framing";
import type { Store } from "./store";

const TRAIL_S = 1;
const TRAIL_STEPS = 60;
const AXES_MM = 300;
const FEWEST_A_SECOND = 30;
const KEEP_UP_MS = 700;
const COARSEST = 0.5;

/** A point that is drawn: which, and where it was put. */
export interface Shown {
  column: number;
  piece: number; // -1: a computed point
  sample: number;
}

/** The 3-D view. It draws when something has changed, and not otherwise. */
export class View3D {
  readonly canvas: HTMLCanvasElement;
  readonly camera = new PerspectiveCamera(40, 1, 10, 200_000);
  readonly controls: OrbitControls;
  shown: Shown[] = [];
  pictures = 0;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly spheres: InstancedMesh; // labelled
  private readonly octahedra: InstancedMesh; // without a label
  private readonly boxes: InstancedMesh; // computed
  private readonly sticks: InstancedMesh;
  private readonly trails: LineSegments;
  private grid: LineSegments | null = null;
  private colours: Color[] = [];
  private path: Path;
  private readonly matrix = new Matrix4();
  private readonly colour = new Color();
  private dirty = true;
  private fineness = 1; // share of the screen's pixels
  private counting = false; // pictures, while playing
  private since = 0;
  private count = 0;

  /** Throws where the browser draws no 3-D. */
  constructor(private readonly store: Store) {
    this.renderer = new WebGLRenderer({ antialias: true, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.canvas = this.renderer.domElement;
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.canvas);
    this.controls.addEventListener("change", () => this.ask());
    this.path = new Path(store.model);
    const n = store.model.view.columns.length;
    const radius = this.path.radius;
    this.spheres = this.instanced(new IcosahedronGeometry(radius, 1), n);
    this.octahedra = this.instanced(new OctahedronGeometry(radius * 1.1), n);
    this.boxes = this.instanced(new BoxGeometry(radius, radius, radius), n);
    this.sticks = this.instanced(
      new CylinderGeometry(radius * 0.25, radius * 0.25, 1, 6, 1, true),
      store.model.view.labels.length,
    );
    this.trails = this.lines((n + 1) * TRAIL_STEPS, new LineBasicMaterial({ vertexColors: true }));
    this.scene.add(new AmbientLight(0xffffff, 1.6), this.camera, new AxesHelper(AXES_MM));
    const light = new DirectionalLight(0xffffff, 2);
    light.position.set(0.5, 1, 1);
    this.camera.add(light);
    this.theme();
    this.fit();
    store.on(["frame", "options", "view", "chosen"], () => this.ask());
    store.on(["frame"], () => this.follow());
    store.on(["view", "options"], () => this.recolour());
    store.on(["theme"], () => this.theme());
  }

  private instanced(geometry: BufferGeometry, count: number): InstancedMesh {
    const mesh = new InstancedMesh(geometry, new MeshLambertMaterial(), Math.max(1, count));
    mesh.instanceMatrix.setUsage(DynamicDrawUsage);
    mesh.frustumCulled = false;
    mesh.count = 0;
    mesh.setColorAt(0, this.colour);
    this.scene.add(mesh);
    return mesh;
  }

  private lines(count: number, material: Material): LineSegments {
    const geometry = new BufferGeometry();
    for (const name of ["position", "color"]) {
      geometry.setAttribute(name, new BufferAttribute(new Float32Array(6 * count), 3).setUsage(DynamicDrawUsage));
    }
    const lines = new LineSegments(geometry, material);
    lines.frustumCulled = false;
    this.scene.add(lines);
    return lines;
  }

  /** Have a new picture drawn. */
  ask(): void {
    this.dirty = true;
  }

  /** Draws if anything has changed; says whether it did. */
  draw(now: number): boolean {
    this.controls.update();
    this.keepUp(now);
    if (!this.dirty) return false;
    this.dirty = false;
    this.place();
    this.renderer.render(this.scene, this.camera);
    this.pictures++;
    return true;
  }

  /** Coarser pictures while playing where this machine draws too few a second; fine ones again afterwards. */
  private keepUp(now: number): void {
    const { playing } = this.store;
    if (playing && now - this.since < KEEP_UP_MS) return;
    const slow =
      playing && this.counting && ((this.pictures - this.count) * 1000) / (now - this.since) < FEWEST_A_SECOND;
    const fineness = !playing ? 1 : slow ? Math.max(COARSEST, this.fineness * 0.75) : this.fineness;
    [this.since, this.count, this.counting] = [now, this.pictures, playing];
    if (fineness === this.fineness) return;
    this.fineness = fineness;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2) * fineness);
    this.ask();
  }

  resize(width: number, height: number): void {
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / Math.max(1, height);
    this.camera.updateProjectionMatrix();
    this.ask();
  }

  private theme(): void {
    this.renderer.setClearColor(new Color(named("view")));
    if (this.grid !== null) {
      this.scene.remove(this.grid);
      this.grid.geometry.dispose();
    }
    this.grid = floor(new Color(named("grid")), new Color(named("grid-strong")));
    this.scene.add(this.grid);
    this.recolour();
  }

  private recolour(): void {
    this.colours = ofLabels(this.store.model, this.store.options.colourBy).map((c) => new Color(c));
    this.ask();
  }

  /** Look at the body from its front left and a little above, or along an axis. */
  fit(from: [number, number, number] = [0.75, 0.9, 0.32]): void {
    const { middle, size } = bodyIn(this.store.model, this.store.frame, this.path);
    this.controls.target.set(middle[0], middle[1], middle[2] - size * 0.06); // room for the legend below
    const way = new Vector3(...from).normalize();
    const distance = size / (2 * Math.tan((this.camera.fov * Math.PI) / 360)) + size / 2;
    this.camera.position.copy(this.controls.target).addScaledVector(way, distance);
    this.path.last = this.path.at(this.store.frame);
    this.controls.update();
    this.ask();
  }

  /** Turn by degrees around the middle, or come nearer by a factor. */
  turn(aside: number, up: number, nearer = 1): void {
    const away = this.camera.position.clone().sub(this.controls.target);
    const flat = Math.hypot(away.x, away.y);
    const azimuth = Math.atan2(away.y, away.x) + (aside * Math.PI) / 180;
    const height = Math.atan2(away.z, flat) + (up * Math.PI) / 180;
    const bounded = Math.max(-1.55, Math.min(1.55, height));
    const r = away.length() / nearer;
    away.set(Math.cos(azimuth) * Math.cos(bounded), Math.sin(azimuth) * Math.cos(bounded), Math.sin(bounded));
    this.camera.position.copy(this.controls.target).addScaledVector(away, r);
    this.controls.update();
    this.ask();
  }

  private follow(): void {
    const now = this.path.at(this.store.frame);
    if (this.store.options.follow) {
      const moved = new Vector3(now[0] - this.path.last[0], now[1] - this.path.last[1], now[2] - this.path.last[2]);
      this.camera.position.add(moved);
      this.controls.target.add(moved);
    }
    this.path.last = now;
  }

  private place(): void {
    const { model, frame, options } = this.store;
    putUnder(this.grid!, this.path.at(frame));
    const values = model.points.values;
    this.shown = [];
    this.spheres.count = this.octahedra.count = this.boxes.count = 0;
    const none = new Color(named("none"));
    for (let column = 0; column < model.view.columns.length; column++) {
      const sample = model.points.at(column, frame);
      if (sample < 0) continue;
      const n = model.pieceAt(column, frame);
      const label = n < 0 ? -1 : model.piece(n).label;
      if (n < 0 ? !options.computed : label < 0 && !options.unlabelled) continue;
      const mesh = n < 0 ? this.boxes : label < 0 ? this.octahedra : this.spheres;
      this.matrix.makeTranslation(values[3 * sample]!, values[3 * sample + 1]!, values[3 * sample + 2]!);
      mesh.setMatrixAt(mesh.count, this.matrix);
      mesh.setColorAt(mesh.count, label < 0 ? none : this.colourOf(n, label));
      mesh.count++;
      this.shown.push({ column, piece: n, sample });
    }
    for (const mesh of [this.spheres, this.octahedra, this.boxes]) {
      mesh.instanceMatrix.needsUpdate = true;
      mesh.instanceColor!.needsUpdate = true;
    }
    this.placeSticks();
    this.placeTrails();
  }

  private colourOf(n: number, label: number): Color {
    if (this.store.options.colourBy !== "confidence") return this.colours[label]!;
    return this.colour.set(ofConfidence(this.store.model.confidence(n, this.store.frame)));
  }

  private placeSticks(): void {
    const { model, frame, options } = this.store;
    const { values } = model.points;
    const [one, other, up, turn] = [new Vector3(), new Vector3(), new Vector3(0, 1, 0), new Quaternion()];
    const colour = new Color(named("stick"));
    const sampleOf = (label: number) => {
      const n = model.pieceOf(label, frame);
      return n < 0 ? -1 : model.points.at(model.piece(n).column, frame);
    };
    this.sticks.count = 0;
    for (const [a, b] of options.sticks ? model.view.sticks : []) {
      const [from, to] = [sampleOf(a), sampleOf(b)];
      if (from < 0 || to < 0 || this.sticks.count >= model.view.labels.length) continue;
      one.fromArray(values, 3 * from);
      other.fromArray(values, 3 * to).sub(one);
      const length = other.length();
      one.addScaledVector(other, 0.5);
      turn.setFromUnitVectors(up, other.normalize());
      this.matrix.compose(one, turn, other.set(1, length, 1));
      this.sticks.setMatrixAt(this.sticks.count, this.matrix);
      this.sticks.setColorAt(this.sticks.count++, colour);
    }
    this.sticks.instanceMatrix.needsUpdate = this.sticks.instanceColor!.needsUpdate = true;
  }

  private placeTrails(): void {
    const { model, frame, options, piece } = this.store;
    const back = Math.max(1, Math.round((TRAIL_S * model.view.rate_hz) / TRAIL_STEPS));
    const none = new Color(named("none"));
    const [place, colour] = ["position", "color"].map(
      (name) => this.trails.geometry.getAttribute(name) as BufferAttribute,
    );
    let ends = 0;
    const end = (sample: number, { r, g, b }: Color) => {
      for (let axis = 0; axis < 3; axis++) place!.array[3 * ends + axis] = model.points.values[3 * sample + axis]!;
      colour!.array.set([r, g, b], 3 * ends++);
    };
    for (const { column, piece: n, sample: here } of options.trails === "none" ? [] : this.shown) {
      if (n < 0 || (options.trails === "chosen" && n !== piece)) continue;
      const { label, start } = model.piece(n);
      const own = label < 0 ? none : this.colourOf(n, label);
      let before = here;
      for (let k = 1; k < TRAIL_STEPS && frame - k * back >= start; k++) {
        const sample = model.points.at(column, frame - k * back);
        if (sample >= 0 && before >= 0) [before, sample].forEach((s) => end(s, own));
        before = sample;
      }
    }
    for (const attribute of [place!, colour!]) {
      attribute.clearUpdateRanges();
      attribute.addUpdateRange(0, 3 * ends);
      attribute.needsUpdate = true;
    }
    this.trails.geometry.setDrawRange(0, ends);
  }
}
