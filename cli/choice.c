#include "choice.h"

#include <inttypes.h>
#include <stdlib.h>

#include "commands.h"

void cli_choose_id(cli_choice *choice, const char *id) {
    choice->ids = cli_resize(choice->ids, choice->id_count + 1, sizeof *choice->ids);
    choice->ids[choice->id_count++] = id;
}

void cli_choose_rows(cli_choice *choice, char *const *words, int count) {
    choice->rows = cli_resize(NULL, (size_t)count, sizeof *choice->rows);
    while (choice->row_count < (size_t)count) {
        choice->rows[choice->row_count] = cli_parse_natural("ROW", words[choice->row_count], 0);
        choice->row_count++;
    }
}

bool cli_end_choice(cli_choice *choice) {
    const int given = (choice->row_count > 0) + (choice->id_count > 0) + (choice->where.text != NULL);
    if (given > 1)
        cli_fail_usage("expected one of rows, --id and --where, found %s", given == 2 ? "two" : "all");
    cli_make_filter(&choice->where);
    return given > 0;
}

bool cli_rows_are_there(const cli_choice *choice, npv_store *store, const char *path) {
    const uint64_t present = npv_count(store);
    for (size_t i = 0; i < choice->row_count; i++) {
        if (choice->rows[i] < present)
            continue;
        cli_warn("%s: there is no row %" PRIu64 ": the store has %" PRIu64 " rows, counted from 0", path,
                 choice->rows[i], present);
        return false;
    }
    return true;
}

npv_selection cli_selection_of(const cli_choice *choice) {
    npv_selection selection = NPV_SELECTION_INIT;
    selection.filter = choice->where.filter;
    selection.rows = choice->row_count > 0 ? choice->rows : NULL;
    selection.row_count = choice->row_count;
    selection.ids = choice->id_count > 0 ? choice->ids : NULL;
    selection.id_count = choice->id_count;
    return selection;
}

void cli_free_choice(cli_choice *choice) {
    cli_free_where(&choice->where);
    free(choice->rows);
    free(choice->ids);
}
