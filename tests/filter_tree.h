/* The trees that filters become, as text, so that tests can compare them. */
#ifndef FILTER_TREE_H
#define FILTER_TREE_H

#include "npvec.h"

/*
 * The tree in prefix form, (and (= year 2023) (like name 'A<%>')), to be freed; NULL, and *error, if there is none.
 * Holds the tree against what filter.h says of all of them.
 */
char *filter_tree(const char *text, const char *parameters, npv_error *error);

#endif
