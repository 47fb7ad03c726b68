/* Payloads checked by a contract without a broker: for tests of packages. */
#ifndef CORE_IPC_CONTRACT_CHECK_H
#define CORE_IPC_CONTRACT_CHECK_H

#include <stdint.h>

#include "core/ipc/contract.h"

/* Name of method number i, as the host counts them; NULL: there are no more. */
const char *contract_check_method(const struct contract *contract, size_t i);
/* ret_ms: how long a caller of it waits. Errors: ORB_E_NOT_FOUND: no such method; ORB_E_SYNTAX,
 * ORB_E_SCHEMA with path. */
int contract_check_input(const struct contract *contract, const char *method, const char *text,
                         size_t len, uint32_t *ret_ms, struct orb_err *err);
/* Checks what a method answers; errors as of contract_check_input(). */
int contract_check_output(const struct contract *contract, const char *method, const char *text,
                          size_t len, struct orb_err *err);
/* ORB_E_NOT_FOUND: the contract has no such event. */
int contract_check_event(const struct contract *contract, const char *topic, const char *text,
                         size_t len, struct orb_err *err);
/* A whole configuration: text is the part of this interface, its paths begin with base. */
int contract_check_config(const struct contract *contract, const char *text, size_t len,
                          const char *base, struct orb_err *err);

#endif
