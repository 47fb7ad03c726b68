/* The list of connections that something was sent to in this turn. */
#include "core/base/own.h"
#include "core/ipc/conn.h"

int conn_group_init(struct conn_group *group, struct orb_err *err)
{
    *group = (struct conn_group){0};
    return turn_memory_init(&group->memory, err);
}

void conn_group_fini(struct conn_group *group)
{
    turn_memory_fini(&group->memory);
}

void conn_group_add(struct conn *conn)
{
    struct conn_group *group = conn->group;

    if (conn->dirty)
        return;
    conn->dirty = true;
    conn->dirty_next = NULL;
    if (group->dirty)
        group->dirty_last->dirty_next = conn;
    else
        group->dirty = conn;
    group->dirty_last = conn;
}

void conn_group_remove(struct conn *conn)
{
    struct conn_group *group = conn->group;
    struct conn **at = &group->dirty, *last = NULL;

    if (!conn->dirty)
        return;
    conn->dirty = false;
    while (*at) {
        if (*at == conn)
            *at = conn->dirty_next;
        else {
            last = *at;
            at = &last->dirty_next;
        }
    }
    group->dirty_last = last;
}
