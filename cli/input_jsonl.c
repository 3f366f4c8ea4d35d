/* JSON Lines: objects that hold a vector, and perhaps an id; the rest of each is its document. */
#include <stdlib.h>

#include "input.h"
#include "lines.h"
#include "member.h"
#include "numbers.h"

static cli_found find_vector(cli_object *object, const char *name) {
    const char *asked = name == NULL ? "vector" : name;
    cli_found vector = cli_seek_member(object, asked);
    if (vector.key.text == NULL && name == NULL)
        vector = cli_seek_member(object, "embedding");
    if (vector.key.text == NULL)
        cli_fail_at(object->place, "expected a member \"%s\" with the vector, found none; name it with --vector-field",
                    asked);
    if (vector.value.text[0] != '[')
        cli_fail_at(object->place, "expected an array of numbers in %.*s, found %s", (int)vector.key.size,
                    vector.key.text, cli_kind_of(vector.value));
    return vector;
}

void cli_read_jsonl(const cli_input *input, cli_adder *adder) {
    cli_lines lines = cli_open_lines(input->path);
    cli_vector numbers = {0};
    char *text;
    size_t size;
    while (cli_next_filled_line(&lines, &text, &size)) {
        const cli_place place = cli_lines_place(&lines);
        cli_object object = {.text = text, .size = size, .wanted = "a vector", .place = place};
        char *id = input->id_field == NULL ? NULL : cli_take_id(&object, input->id_field);
        const cli_found vector = find_vector(&object, input->vector_field);
        numbers.count = 0;
        cli_read_json_numbers(vector.value.text, &numbers, place);
        cli_take_member(&object, &vector);
        char *document = cli_take_rest(&object);
        cli_add_row(
            adder,
            &(cli_new_row){
                .vector = numbers.values, .dimensions = numbers.count, .document = document, .id = id, .place = place});
    }
    free(numbers.values);
    cli_close_lines(&lines);
}
