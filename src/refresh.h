/* Rows that npv_refresh has replaced: they stay readable, because pointers to them may have been borrowed. */
#ifndef NPV_REFRESH_H
#define NPV_REFRESH_H

struct npv_retired_rows;
void npv_retired_rows_free(struct npv_retired_rows *retired);

#endif
