"""The paper's four questions, each answered by numbers with an interval and a null, and by evidence to look at."""
