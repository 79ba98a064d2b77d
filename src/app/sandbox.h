/*
 * What a process gives up. The filter answers EPERM instead of killing, so that a library that
 * changes its ways degrades with a clear error and is not switched off by its users.
 */
#ifndef INRO_APP_SANDBOX_H
#define INRO_APP_SANDBOX_H

#include "base/err.h"

/* Before threads: no core files, undumpable and locked memory for those that hold secrets, no new
 * privileges, umask 077. Never fails; what cannot be had is logged as a warning. */
void sandbox_common(unsigned keeps);
/* Whether all memory may be locked: only where no limit counts (RLIMIT_MEMLOCK). Under a limit the
 * address space that is still to come, stacks of threads and arenas of malloc, would count as
 * locked, and allocations would fail long before memory is short. */
bool sandbox_may_lock(void);
/* After everything is opened: the system-call filter for `keeps` (see role.h). Applies to all
 * threads. RC_UNSUPPORTED where the kernel has no seccomp. */
MUST enum rc sandbox_enter(unsigned keeps, struct err *err);
/* SIGPIPE and terminal signals are not for roles: the supervisor decides. */
bool signal_ignore_all(void);
bool signal_ignore_pipe(void);

#endif
