"""What everything speaks of: trials, marker sets, tracklets, scores, labellings. numpy alone; imports errors alone."""
