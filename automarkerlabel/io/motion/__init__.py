"""Recorded motion of skeletons: BVH, ASF and AMC, and the predecessor's kinematics in HDF5."""
