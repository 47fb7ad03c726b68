/* Pairs of connected stream sockets within the process: the kernel's part of a turn of the loop
 * costs more than what is tested, and the kernel is not. What libuv and the broker do with
 * descriptors of pipes_pair() (send, sendmsg, recv, recvmsg, ioctl, close, epoll_ctl, epoll_wait)
 * is done here, as AF_UNIX does it; all other descriptors are the kernel's (pipes.c). */
#ifndef TEST_FUZZ_PIPES_H
#define TEST_FUZZ_PIPES_H

#include <stdbool.h>
#include <stdint.h>

/* Both not blocking. Aborts where there are too many. */
void pipes_pair(int ret_fds[2]);

/* While it is on, the monotonic clock and the thread's processor time advance only by the calls
 * below, so that an input has the same effect on every machine. */
void pipes_clock(bool on);
void pipes_pass(uint64_t ns);
/* Each look at the clock takes so long. */
void pipes_slow(uint64_t ns);

#endif
