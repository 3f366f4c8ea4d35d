/* Taking members out of the text of a JSON object: a vector, an id, of which the rest is the document. */
#ifndef CLI_MEMBER_H
#define CLI_MEMBER_H

#include "report.h"
#include "text.h"

#define CLI_MOST_TAKEN 2

/* The text of an object, in which blanks stand for what was taken out: the columns of mistakes stay what they are. */
typedef struct cli_object {
    char *text; /* zero-terminated */
    size_t size;
    const char *wanted; /* what it is to hold, for messages: "a vector" */
    cli_place place;

    size_t begins[CLI_MOST_TAKEN], ends[CLI_MOST_TAKEN]; /* of the blanks */
    size_t taken;
    size_t members; /* that are left; known once one was sought */
} cli_object;

typedef struct cli_found {
    cli_span key; /* with its quotes; text NULL: there is no such member */
    cli_span value;
    size_t begin, end; /* in the text, with the comma before, or else behind */
} cli_found;

/* Looks for the member `name`. Two of that name, and text that is no object, end the process. */
cli_found cli_seek_member(cli_object *object, const char *name);

/* Takes out what was found last. The spans of `found` then point to blanks. */
void cli_take_member(cli_object *object, const cli_found *found);

/* Takes the id out: the member `name`, a string or an integer. The caller's; NULL if it is null. */
char *cli_take_id(cli_object *object, const char *name);

/* What is left, checked, the caller's; NULL if that has no members. Ends the process if it is too long or no JSON. */
char *cli_take_rest(const cli_object *object);

/* "a string", "an array": what the JSON value is, for messages. */
const char *cli_kind_of(cli_span value);

#endif
