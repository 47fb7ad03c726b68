/* Lists of texts, ended by NULL. */
#ifndef CORE_BASE_STRINGS_H
#define CORE_BASE_STRINGS_H

#include <stdbool.h>

/* Frees the list and its texts. NULL: nothing. */
void strings_free(char **list);
/* Whether it holds the word. list: NULL is empty. */
bool strings_have(char *const *list, const char *word);

#endif
