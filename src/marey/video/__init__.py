"""Video in and out: frames and clips read, optical flow, pictures and videos written."""
