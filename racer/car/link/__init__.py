"""Between the pilot and who watches and commands it; both sides import it, it imports neither.

seam        what a console knows of a pilot: words, statuses, refusals
process     the seam filled by a real pilot, a process of its own
running     that process: started, told, listened to
window      the newest frame for another process to look at
"""
