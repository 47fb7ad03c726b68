/* The host itself as provider, caller, subscriber and publisher. */
#ifndef CORE_IPC_HOST_H
#define CORE_IPC_HOST_H

#include <stdint.h>

#include "core/ipc/peer.h"

struct host_req;

struct host_caller {
    uint32_t peer;
    enum peer_kind kind;
    const char *name;
    const char *role;
};

/* Answer later or at once, exactly once, with host_reply/host_reply_error. input is scanned,
 * contract-checked text and valid until answered; caller and method are valid in the call. */
typedef void host_handler(void *arg, struct host_req *req, const struct host_caller *caller,
                          const char *method, const char *input, size_t len);
/* Provides contract's interface from inside the host. ORB_E_CONFLICT, ORB_E_LIMIT. */
int host_serve(struct broker *broker, const struct contract *contract, host_handler *handler,
               void *arg, struct orb_err *err);
/* Answers with len bytes of JSON, copied; output that violates the contract becomes an error. Frees
 * req, whose caller may be gone. */
void host_reply(struct host_req *req, const char *text, size_t len);
/* Answers with err; frees req. */
void host_reply_error(struct host_req *req, const struct orb_err *err);

struct progress_state;
/* req is being worked on: its deadline is put off if its method has "progress", and the caller is
 * told how far the work is (progress_state.h). */
void host_progress(const struct host_req *req, const struct progress_state *state);

/* Of an answer: text is NULL and err set when the call failed; both are valid in the call. */
typedef void host_done(void *arg, const char *text, size_t len, const struct orb_err *err);
/* The host calls a method (as peer kind host, every capability); text, len bytes, is copied;
 * deadline_ms 0: the method's. 0: done is called exactly once (before the return only when the host
 * itself provides the interface); below 0: never. */
int host_call(struct broker *broker, const char *to, const char *method, const char *text,
              size_t len, uint32_t deadline_ms, host_done *done, void *arg, struct orb_err *err);

/* All of them are valid in the call. */
typedef void host_event(void *arg, const char *interface, const char *topic, const char *text,
                        size_t len);
/* cb is called with each event of the topic ("*": all), and at once with last values, until the
 * broker is closed; the interface need not be provided yet. ORB_E_LIMIT, ORB_E_INVALID. */
int host_subscribe(struct broker *broker, const char *interface, const char *topic, host_event *cb,
                   void *arg, struct orb_err *err);
/* Publishes len bytes of JSON, copied, on an interface the host provides. ORB_E_NOT_FOUND,
 * ORB_E_LIMIT, or a violation of the contract. */
int host_publish(struct broker *broker, const char *interface, const char *topic, const char *text,
                 size_t len, struct orb_err *err);

/* The broker is closed: calls of the host fail, requests to it have no caller any more. */
void host_fail_calls(struct broker *broker);
/* The broker is closed: requests to the host have no caller any more. */
void host_forget_requests(struct broker *broker);

#endif
