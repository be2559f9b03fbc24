"""MATLAB files: their containers, versions 5 and 7.3, and the trials that Qualisys Track Manager puts into them."""
