#!/bin/sh
# Makes a store of the facts in examples/facts.npz, asks it some of the questions in examples/queries.npz, and counts how
# many of all of them it answers:
#
#   examples/demo.sh build/release/npvec
#
# Needs nothing but npvec. Its files go to build/demo.
set -eu
cd "$(dirname "$0")/.."

npvec=${1:?usage: examples/demo.sh COMMAND, from the root of the repository, as in examples/demo.sh build/release/npvec}
demo=build/demo
store=$demo/facts.npz
shown='6 10 13 15 20' # rows of queries.npz

# show COMMAND...: prints it and runs it.
show() {
    echo "\$ $*"
    "$@"
}

# Asks the question in a row of queries.npz. Its vector goes to a file of its own, as numbers in brackets.
ask() {
    question=$demo/question-$1.json
    "$npvec" get examples/queries.npz "$1" --vector --json >"$question.all"
    sed 's/.*"vector": \(\[[^]]*\]\).*/\1/' "$question.all" >"$question"
    rm "$question.all"
    echo
    sed -n "$(($1 + 1))s/^\([0-9]*\) \(.*\)/\2 (The answer is row \1.)/p" "$demo/questions.txt"
    show "$npvec" search "$store" --vector "$question" -k 3 --fields category,text
}

# Rank 1 and ranks 1 to 5 of the answers that the questions name, in the JSON of the search. No string in JSON holds a
# quote without a backslash, so "row" in quotes is never part of one.
count_answers() {
    awk '
        NR == FNR { answers[NR] = $1; next }
        {
            questions = split($0, found, /"hits": /) - 1
            for (q = 1; q <= questions; q++) {
                hits = split(found[q + 1], rows, /"row": /) - 1
                for (rank = 1; rank <= hits; rank++)
                    if (rows[rank + 1] + 0 == answers[q]) { five++; if (rank == 1) top++ }
            }
        }
        END {
            printf "%d of %d questions have their answer at the top, %d among the first five.\n", top, questions, five
        }' "$@"
}

rm -rf "$demo"
mkdir -p "$demo"
show "$npvec" create "$store" --dimensions 384
show "$npvec" add "$store" examples/facts.npz
show "$npvec" info "$store"

# One question a line, after the row of its answer.
"$npvec" export examples/queries.npz - --no-vectors >"$demo/questions.jsonl"
sed 's/^{"text": "\(.*\)", "answer": \([0-9]*\)}$/\2 \1/' "$demo/questions.jsonl" >"$demo/questions.txt"
for row in $shown; do
    ask "$row"
done

echo
echo "\$ $npvec search $store --vector examples/queries.npz -k 5 --json >$demo/hits.json"
"$npvec" search "$store" --vector examples/queries.npz -k 5 --json >"$demo/hits.json"
count_answers "$demo/questions.txt" "$demo/hits.json"
