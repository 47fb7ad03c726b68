/* The contract every service with configuration also serves. */
#ifndef CORE_IPC_CONTRACT_SERVICE_H
#define CORE_IPC_CONTRACT_SERVICE_H

#include "core/ipc/contract.h"

/* service.NAME@1. Never fails; undone by contract_free(). */
struct contract *contract_service(const char *name);

#endif
