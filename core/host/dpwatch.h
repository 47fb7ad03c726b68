/* Looking after what is in force in the data plane. */
#ifndef CORE_HOST_DPWATCH_H
#define CORE_HOST_DPWATCH_H

struct dpservice;

/* Before any job: registers for their callbacks. */
void dpwatch_init(struct dpservice *service);
/* Sets and clears the problems of the data plane. */
void dpwatch_problems(struct dpservice *service);
/* The features the data plane lacks, as of its last job; service may be NULL. */
void dpwatch_given_up(const struct dpservice *service,
                      void (*each)(void *arg, const char *feature, const char *reason), void *arg);

#endif
