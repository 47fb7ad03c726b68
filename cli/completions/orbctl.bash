# Completion of orbctl in bash: all of it comes from `orbctl complete`, which reads the line itself, so that
# what COMP_WORDBREAKS cuts apart (10.0.0.1:80, --format=json, @web) stays one word.
_orbctl()
{
    local line word help
    local -a words=() helps=() notes=()

    COMPREPLY=()
    while IFS= read -r line; do
        word=${line%%$'\t'*} help=${line#*$'\t'}
        if [[ -n $word ]]; then
            words+=("$word") helps+=("$help")
        else
            notes+=("$help")
        fi
    done < <("${COMP_WORDS[0]}" complete --line "${COMP_LINE:0:COMP_POINT}" --breaks "$COMP_WORDBREAKS" 2>/dev/null)
    compopt -o nosort 2>/dev/null # bash before 4.4 sorts
    for line in "${!words[@]}"; do
        word=${words[line]}
        # The list behind a second Tab is only shown: with descriptions.
        [[ $COMP_TYPE != 63 || -z ${helps[line]} ]] || word+="  (${helps[line]})"
        COMPREPLY+=("$word")
    done
    if ((${#COMPREPLY[@]} == 1)); then
        case ${words[0]} in */ | *! | *@) compopt -o nospace 2>/dev/null ;; esac
    fi
    ((${#notes[@]})) || return 0
    # Entries with nothing in common, beside the candidates: all are listed, and nothing is inserted.
    case $COMP_TYPE in
    9 | 33 | 63 | 64)
        for help in "${notes[@]}"; do
            # A long one would leave one column to the candidates.
            ((${#words[@]} == 0 || ${#help} <= 72)) || help=${help:0:71}…
            COMPREPLY+=("$help")
        done
        COMPREPLY+=(" ")
        ;;
    esac
    return 0
}
complete -F _orbctl orbctl
