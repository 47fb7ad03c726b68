/* What prepare and the turns of a transaction share. */
#ifndef CONFIG_PARTICIPANT_INTERNAL_H
#define CONFIG_PARTICIPANT_INTERNAL_H

#include "plugins/config/participant.h"

/* Whether err means that the service has disconnected. */
bool participant_is_gone(const struct orb_err *err);
/* An error of the service without the secrets it was given. */
struct orb_err participant_as_shown(const struct participant *p, const struct orb_err *err);
/* Logs a failure of p; the first one becomes the error of the transaction. outcome: what p did, for
 * the text. */
void participant_failed(struct participant *p, const char *doing, const char *outcome,
                        const struct orb_err *shown);
/* Whether p missed a deadline; then it is killed, and gets no more calls. */
bool participant_late(struct participant *p, const char *doing, const struct orb_err *err);
/* Appends the plan of an answer to that of p, at most 200 steps of it. */
void participant_add_plan(struct participant *p, const char *text, size_t len);
/* For giveup(): p, which was preparing, is not waited for. */
void participant_given_up(struct participant *p);

#endif
