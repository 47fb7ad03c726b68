/* Random policies with the shapes that break classifiers, and packet headers aimed at their edges.
 * Everything follows from the seed. */
#ifndef TEST_UNIT_DATAPLANE_POLICIES_H
#define TEST_UNIT_DATAPLANE_POLICIES_H

#include "dataplane/classify.h"

struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
/* 0 to below - 1. */
uint32_t random_below(struct random *random, uint32_t below);

struct policies_shape {
    unsigned rules;
    bool zones; /* rules name zones; otherwise all are from any to any */
    bool six;   /* also IPv6 */
    bool more;  /* a third of them ask for MAC addresses, TCP flags, states, other zones */
    bool plain; /* tcp and udp only, accept and drop only: what a differential test can send */
};
/* Makes a policy; the zones dmz, guest, lan, wan exist with one interface each. */
void policies_random(struct policy *policy, const struct policies_shape *shape,
                     struct random *random);
/* Whether a TCP SYN (or anything else new) from 02:02:02:02:02:02 matches the conditions of a rule
 * that the classifier does not look up. */
bool policies_asks(const struct policy_rule *rule, const struct classify_header *header);
/* A header near (inside, on a boundary, one beyond, one bit beside) a random rule, or anywhere. */
void policies_header(const struct policy *policy, struct random *random,
                     struct classify_header *ret_header);

#endif
