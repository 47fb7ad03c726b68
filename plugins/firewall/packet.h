/* Method `test`, and the same as a question about a candidate: what becomes of a packet. The data
 * plane evaluates it; names of the configuration are added here. */
#ifndef PLUGINS_FIREWALL_PACKET_H
#define PLUGINS_FIREWALL_PACKET_H

#include "orbital/orbital.h"

/* The input is that of dataplane@1 test. */
int packet_test(struct orb_ctx *ctx, struct orb_req *req, const cJSON *in, struct orb_err *err);
/* The input of a question {"test": {…}}, as that of dataplane@1 test; tx 0: of the policy in force.
 * NULL: err has the reason. */
cJSON *packet_question(const cJSON *question, double tx, struct orb_err *err);
/* The data plane's answer with the description of the rule. rules: /firewall/rules, NULL: none. */
cJSON *packet_answer(const cJSON *out, const cJSON *rules);

#endif
