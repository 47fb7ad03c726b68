/* Contracts: one schema.json compiled. */
#ifndef CORE_IPC_CONTRACT_H
#define CORE_IPC_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "orbital/error.h"

struct contract;

/* Compiles schema.json text, len bytes: interface, version, methods, events and config, unknown
 * members refused with their path (ORB_E_SCHEMA, ORB_E_LIMIT). Undone by contract_free(). */
int contract_compile(const char *text, size_t len, struct contract **ret_contract,
                     struct orb_err *err);
/* Undoes contract_compile() or contract_ref(); NULL: nothing. */
void contract_free(struct contract *contract);
/* Another holder of it, to be undone by contract_free(); NULL stays NULL. */
const struct contract *contract_ref(const struct contract *contract);

/* These are the contract's. */
const char *contract_interface(const struct contract *contract);
/* Its version, "MAJOR.MINOR"; the contract's. */
const char *contract_version(const struct contract *contract);
const char *contract_text(const struct contract *contract, size_t *ret_len /* may be NULL */);
/* Does it have a configuration of its own? */
bool contract_has_config(const struct contract *contract);
/* Appends JSON of what the interface offers, for `orbctl ipc describe`. */
void contract_describe(const struct contract *contract, struct buf *ret_json);

#endif
