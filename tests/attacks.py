"""What a stranger does to the machine that he has, and by it to its neighbours: Python for `tests.hostile`."""

BURNER = """
for _ in range(8):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
while True:
    pass
"""
"""As many processes as a machine may have processors, several times over; where it may have but one, that one."""
TASK_BOMB = """
result = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        result += 1
except RuntimeError:
    pass
"""
"""Threads until there are no more; how many."""
PROCESS_BOMB = """
result = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(1000)
        result += 1
except OSError:
    pass
"""
"""Processes, likewise."""
MEMORY_HOG = """
pages = mmap.mmap(-1, 4 << 30)
for place in range(0, 4 << 30, 4096):
    pages[place] = 1
"""
"""Pages that are shared, which the bound of a process's own memory does not know."""
DISK_FILLER = """
written = 0
file = open(scratch + '/fill', 'wb', buffering=0)
os.unlink(scratch + '/fill')
try:
    while True:
        written += file.write(bytes(1 << 20))
except OSError as error:
    result = [written, os.strerror(error.errno)]
"""
"""A file that no folder shows; how much it took, and why no more."""
GARBAGE = """
for number in range(3, 64):
    try:
        os.write(number, b'garbage' * 1000)
    except OSError:
        pass
"""
"""On whatever is open."""
