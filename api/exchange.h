/* What libmicrohttpd calls for each request: its head, its body, its end. */
#ifndef API_EXCHANGE_H
#define API_EXCHANGE_H

#include "api/api_internal.h"

/* MHD_OPTION_URI_LOG_CALLBACK: makes the request, which is the con_cls of the two below. */
void *exchange_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
/* MHD_AccessHandlerCallback. */
enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *upload_data,
                                   size_t *upload_data_size, void **con_cls);
/* MHD_OPTION_NOTIFY_COMPLETED: frees the request, or leaves that to the answer that is due. */
void exchange_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                           enum MHD_RequestTerminationCode toe);

#endif
