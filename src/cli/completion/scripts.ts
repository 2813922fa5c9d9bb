/**
 * The scripts that complete a command line: they call `sbr __complete WORDS`, and complete paths if that proposes
 * nothing.
 */
export const COMPLETION_SCRIPTS = {
  bash: `# Completion of sbr for bash. In ~/.bashrc: eval "$(sbr completion bash)"
_sbr() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <("$1" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _sbr sbr shared-block-ring
`,
  zsh: `#compdef sbr shared-block-ring
# Completion of sbr for zsh. In ~/.zshrc, after compinit: eval "$(sbr completion zsh)"
_sbr() {
  local -a proposals
  local line
  for line in \${(f)"$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    proposals+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( $#proposals )); then
    _describe -V sbr proposals
  else
    _files
  fi
}
if [ "$funcstack[1]" = _sbr ]; then
  _sbr "$@"
else
  compdef _sbr sbr shared-block-ring
fi
`,
  fish: `# Completion of sbr for fish. In ~/.config/fish/completions/sbr.fish: sbr completion fish | source
function __sbr_complete
  set -l words (commandline -opc)
  set -l proposals ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $proposals) -gt 0
    printf '%s\\n' $proposals
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sbr -f -a '(__sbr_complete)'
complete -c shared-block-ring -f -a '(__sbr_complete)'
`,
} as const

export type Shell = keyof typeof COMPLETION_SCRIPTS
