"""System calls that machines may make, with their numbers on x86_64 and on aarch64 (``-`` where there is none).

What is not here is refused. `ENGINE` is what threads of one process need to compute, to read and write files and to
answer on connections that they have. `PROGRAMS` is what a JVM and the programs that it starts need besides. `CHECKED`
may be made with some arguments only, which `seccomp` knows.

References: syscalls(2); the kernel's ``asm/unistd_64.h`` and ``asm-generic/unistd.h``.
"""

Numbers = tuple[int | None, int | None]
NEWEST = 452
"""Numbers above it are younger than this list."""


def _table(*texts: str) -> dict[str, Numbers]:
    entries = [entry.split() for text in texts for entry in text.replace("\n", " ").split(",") if entry.strip()]
    return {name: (_number(x86), _number(arm)) for name, x86, arm in entries}


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


_FILES = """
read 0 63, write 1 64, pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, preadv 295 69, pwritev 296 70,
preadv2 327 286, pwritev2 328 287, open 2 -, openat 257 56, close 3 57, close_range 436 436, lseek 8 62, stat 4 -,
fstat 5 80, lstat 6 -, newfstatat 262 79, statx 332 291, access 21 -, faccessat 269 48, faccessat2 439 439,
readlink 89 -, readlinkat 267 78, getdents64 217 61, getcwd 79 17, mkdir 83 -, mkdirat 258 34, rmdir 84 -, unlink 87 -,
unlinkat 263 35, rename 82 -, renameat 264 38, renameat2 316 276, truncate 76 45, ftruncate 77 46, fallocate 285 47,
fsync 74 82, fdatasync 75 83, sync_file_range 277 84, fadvise64 221 223, statfs 137 43, fstatfs 138 44, fcntl 72 25,
flock 73 32, dup 32 23, dup2 33 -, dup3 292 24, pipe 22 -, pipe2 293 59, umask 95 166
"""
_MEMORY = """
brk 12 214, munmap 11 215, mremap 25 216, madvise 28 233, mincore 27 232, msync 26 227, membarrier 324 283
"""
_THREADS = """
futex 202 98, futex_waitv 449 449, get_robust_list 274 100, set_robust_list 273 99, set_tid_address 218 96,
rseq 334 293, arch_prctl 158 -, sched_yield 24 124, sched_getaffinity 204 123, sched_setaffinity 203 122,
sched_getparam 143 121, sched_getscheduler 145 120, sched_get_priority_min 147 126, sched_get_priority_max 146 125,
getcpu 309 168, exit 60 93, exit_group 231 94
"""
_SIGNALS = """
rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigpending 127 136, rt_sigtimedwait 128 137, rt_sigsuspend 130 133,
rt_sigreturn 15 139, sigaltstack 131 132, restart_syscall 219 128, kill 62 129, tkill 200 130, tgkill 234 131
"""
_ITSELF = """
getpid 39 172, getppid 110 173, gettid 186 178, getuid 102 174, geteuid 107 175, getgid 104 176, getegid 108 177,
getgroups 115 158, getresuid 118 148, getresgid 120 150, getpgrp 111 -, getpgid 121 155, getsid 124 156,
getrusage 98 165, times 100 153, getrlimit 97 163, prlimit64 302 261, capget 125 90, uname 63 160, sysinfo 99 179,
getrandom 318 278
"""
_TIME = """
time 201 -, gettimeofday 96 169, clock_gettime 228 113, clock_getres 229 114, nanosleep 35 101, clock_nanosleep 230 115
"""
_WAITING = """
poll 7 -, ppoll 271 73, select 23 -, pselect6 270 72, epoll_create 213 -, epoll_create1 291 20, epoll_ctl 233 21,
epoll_wait 232 -, epoll_pwait 281 22, epoll_pwait2 441 441, eventfd 284 -, eventfd2 290 19
"""
_CONNECTIONS = """
accept 43 202, accept4 288 242, sendto 44 206, sendmsg 46 211, recvfrom 45 207, recvmsg 47 212, shutdown 48 210,
getsockname 51 204, getpeername 52 205, getsockopt 55 209, setsockopt 54 208
"""
ENGINE = _table(_FILES, _MEMORY, _THREADS, _SIGNALS, _ITSELF, _TIME, _WAITING, _CONNECTIONS)

_CHILDREN = """
fork 57 -, vfork 58 -, execve 59 221, wait4 61 260, waitid 247 95, setsid 112 157, setpgid 109 154,
getpriority 140 141, setpriority 141 140, setrlimit 160 164, sched_getattr 315 275
"""
_SOCKETS = """
bind 49 200, listen 50 201, connect 42 203, sendmmsg 307 269, recvmmsg 299 243, sendfile 40 71,
copy_file_range 326 285, splice 275 76
"""
_MORE_FILES = """
creat 85 -, link 86 -, linkat 265 37, symlink 88 -, symlinkat 266 36, chmod 90 -, fchmod 91 52, fchmodat 268 53,
fchmodat2 452 452, chdir 80 49, fchdir 81 50, utime 132 -, utimes 235 -, utimensat 280 88, getxattr 191 8,
lgetxattr 192 9, fgetxattr 193 10, listxattr 194 11, llistxattr 195 12, flistxattr 196 13, inotify_init 253 -,
inotify_init1 294 26, inotify_add_watch 254 27, inotify_rm_watch 255 28, mlock 149 228, munlock 150 229,
get_mempolicy 239 236
"""
_TIMERS = """
signalfd4 289 74, timerfd_create 283 85, timerfd_settime 286 86, timerfd_gettime 287 87, timer_create 222 107,
timer_settime 223 110, timer_gettime 224 108, timer_getoverrun 225 109, timer_delete 226 111, alarm 37 -, pause 34 -,
getitimer 36 102, setitimer 38 103
"""
PROGRAMS = _table(_CHILDREN, _SOCKETS, _MORE_FILES, _TIMERS)

CHECKED = _table(
    "clone 56 220, clone3 435 435, ioctl 16 29, mmap 9 222, mprotect 10 226, prctl 157 167, socket 41 198",
    "socketpair 53 199",
)
