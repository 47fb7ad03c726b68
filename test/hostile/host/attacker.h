/* What the files of the hostile package share. An attack is a function without arguments;
 * attacker.c has a table of their names. */
#ifndef TEST_HOSTILE_HOST_ATTACKER_H
#define TEST_HOSTILE_HOST_ATTACKER_H

#include "test/hostile/host/wire.h"

extern struct wire_in in; /* the last frame that came */

/* One line on stderr, which works before HELLO, too. The driver reads: "attack begins NAME",
 * "attack succeeded: …" (a success), "attack refused: …", "attack unexpected: …" (another refusal
 * than expected, an error of the test), "attack notes: …". */
void shout(const char *format, ...);
/* Compares the answer code with the expected ones; "ok" is a success of the attack. */
void refused(const char *what, const char *code, const char *expected);
/* READY, whatever the state of the SDK. */
void ready(void);
/* Answers pings for ever. */
void stay(void);
void still(void); /* does nothing, reads nothing, for ever */

/* attacker_protocol.c: frames no peer may send, processes that do not behave */
void f_hello_twice(void);
void f_ready_twice(void);
void f_huge(void);
void f_zero(void);
void f_type_99(void);
void f_flags(void);
void f_envelope_long(void);
void f_envelope_huge(void);
void f_host_frames(void);
void f_fake_event(void);
void f_fake_peer(void);
void f_src_log(void);
void f_src_host(void);
void f_src_other(void);
void f_random(void);
void f_fds(void);
void p_partial(void);
void p_close(void);
void p_shutdown(void);
void p_exit_0(void);
void p_exit_7(void);
void p_ready_exit(void);
void p_hang(void);
void p_late_pong(void);
void p_pong_flood(void);
void p_memory(void);
void p_fork(void);
void p_fail_flood(void);

/* attacker_requests.c: requests without a grant, and unrequested answers */
void a_calls(void);
void a_subscribe(void);
void a_publish(void);
void a_routes(void);
void a_replies(void);
void a_twice(void);
void a_outputs(void);
void a_json(void);

/* attacker_floods.c: too much of everything */
void d_log(void);
void d_metric(void);
void d_stderr(void);
void d_events(void);
void d_events_big(void);
void d_call(void);
void d_metrics_call(void);
void d_logs_call(void);
void d_bad_call(void);
void d_denied(void);
void d_bad_json(void);
void d_pending(void);
void d_slow_reader(void);
void d_tables(void);

/* attacker_texts.c: texts, schemas and files that hurt the process that reads them */
void w_log(void);
void w_metric(void);
void w_log_big(void);
void w_title(void);
void s_regex(void);
void s_any(void);
void s_unique(void);
void x_state_files(void);
void x_state_fill(void);
void x_state_removed(void);
void x_state_deep(void);
void g_authority(void);
void g_names(void);

/* attacker_state.c: room in /state that no directory shows */
void x_state_mapped(void);
void x_state_early(void);
void x_state_leaderless(void);
void x_state_moved(void);

/* attacker_agent.c: sends the frames that the driver orders */
void g_agent(void);

/* attacker_protocol.c: from an ELF constructor, before HELLO */
void c_crash(void);
void c_hang(void);
void c_spin(void);
void c_exit(void);
void c_close(void);
void c_ready(void);
void c_greet(void);
void c_abi(void);
void c_garbage(void);
void c_fork(void);

#endif
