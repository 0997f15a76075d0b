#!/bin/bash
# How the seed chooses candidates, told again in our own words for a comparison of cost, and for nothing else:
# a handful of processes for every backup, every time. Prints ids, the first to go first.
#
#   seed.sh oldest|confidence BACKUP_ROOT COUNT
set -u

# The terms of SPEC.md 2, one after the other, each with the tool a shell script would take for it.
confidence_of() {
    local path=$1 made age mib sum=0.5
    made=$(cat "$path/.created_at" 2>/dev/null || stat -c %Y "$path")
    age=$(( ($(date +%s) - made) / 86400 ))
    sum=$(echo "scale=4; a = $age / 30; if (a > 1) a = 1; $sum + 0.3 * a" | bc -l)
    if [[ -f "$path/.confirmed_at" ]]; then sum=$(echo "$sum + 0.2" | bc -l); fi
    mib=$(du -sm "$path" | cut -f1)
    if (( mib > 100 )); then sum=$(echo "$sum - 0.1" | bc -l); fi
    if (( mib > 500 )); then sum=$(echo "$sum - 0.1" | bc -l); fi
    if [[ -n $(find "$path" -type f -atime -7 | head -n 1) ]]; then sum=$(echo "$sum - 0.2" | bc -l); fi
    echo "$sum"
}

boosted() {
    local sum
    sum=$(echo "scale=2; $1 + 0.2" | bc -l)
    if (( $(echo "$sum > 1.0" | bc -l) )); then sum=1.0; fi
    echo "$sum"
}

# $1: what a backup is sorted by; $2: the states that may go.
each() {
    local path id state
    find "$root" -maxdepth 1 -type d | while read -r path; do
        id=$(basename "$path")
        [[ -f "$path/.state" ]] || continue
        state=$(cat "$path/.state")
        [[ "$state" =~ ^($2)$ ]] || continue
        echo "$("$1" "$path") $id"
    done
}

made_at() { stat -c %Y "$1"; }
sure_of() { boosted "$(confidence_of "$1")"; }

# Every one that was chosen is judged once more, whatever it was chosen by.
over() {
    local id
    while read -r id; do
        if (( $(echo "$(boosted "$(confidence_of "$root/$id")") >= $1" | bc -l) )); then echo "$id"; fi
    done
}

root=$2
case $1 in
    oldest) each made_at CLEANABLE | sort -n | head -n "$3" | cut -d' ' -f2 | over 0.70 ;;
    confidence) each sure_of 'CLEANABLE|CONFIRMED' | sort -nr | head -n "$3" | cut -d' ' -f2 | over 0.70 ;;
esac
