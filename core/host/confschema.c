#include "core/host/confschema.h"

void confschema_begin(struct json_write *w, const char *name, const char *description)
{
    json_write_object(w, NULL);
    json_write_string(w, "interface", name);
    json_write_string(w, "version", "1.0");
    json_write_object(w, "config");
    json_write_string(w, "type", "object");
    json_write_string(w, "title", name);
    json_write_string(w, "description", description);
    json_write_boolean(w, "additionalProperties", false);
    json_write_object(w, "properties");
}

void confschema_end(struct json_write *w, const char *defs, size_t len)
{
    json_write_end(w);
    json_write_end(w);
    json_write_object(w, "methods");
    json_write_end(w);
    json_write_object(w, "events");
    json_write_end(w);
    json_write_raw(w, "$defs", defs, len);
    json_write_end(w);
}
