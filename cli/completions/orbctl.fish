# Completion of orbctl in fish: all of it comes from `orbctl complete`. A line without a word is a hint.
function __orbctl_complete
    set -l typed (commandline -opc)
    $typed[1] complete -- $typed[2..-1] (commandline -ct | string unescape 2>/dev/null; or commandline -ct) 2>/dev/null |
        string match --regex --invert '^\t'
end
complete -c orbctl -f -k -a '(__orbctl_complete)'
