/* TEST(a_sentence_of_what_holds) { … } registers itself; each test runs in a forked child under
 * check (a crash, leak or hang fails alone) and the program prints TAP. A program in which no test
 * ran fails. */
#ifndef TEST_LIB_HARNESS_H
#define TEST_LIB_HARNESS_H

#include <check.h>
#include <stdint.h>

struct harness_test {
    const TTest *test;
    struct harness_test *next;
};
void harness_register(struct harness_test *test);

/* The seed of a random test, which is printed: SEED of the environment, or another one each time.
 * Never 0. */
uint64_t harness_seed(void);

#define TEST(name)                                                                                 \
    static void name##_fn(int _i);                                                                 \
    static const TTest name##_ttest = {#name, name##_fn, __FILE__, __LINE__};                      \
    static struct harness_test name##_entry = {&name##_ttest, 0};                                  \
    __attribute__((constructor)) static void name##_register(void)                                 \
    {                                                                                              \
        harness_register(&name##_entry);                                                           \
    }                                                                                              \
    static void name##_fn(int _i __attribute__((unused)))

#endif
