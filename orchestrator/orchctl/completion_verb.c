/* completion: what a shell and `man` need to know of orchctl, made from the table of verbs that also makes --help (main.c): one list,
 * so none of them can be out of date. The build writes the files and installs them. */
#include "verb.h"

#include <orderflow_version.h>
#include <stdio.h>
#include <string.h>

static bool takes_process(const struct verb *verb)
{
    return strstr(verb->words, "NAME") != NULL;
}

/* names_run: by an option or a last word. */
static bool names_run(const struct verb *verb)
{
    size_t unused;
    return verb_takes_run(verb, &unused);
}

/* print_option_names: verb: NULL: before there is one. */
static void print_option_names(const struct verb *verb, const struct verb_option *options)
{
    for (; options->name; options++)
        if (!verb || verb_takes(verb, options->name))
            printf(" %s", options->name);
}

enum { LITERALS_BYTES = 128 };

/* literals_of: the words that are written as they stand: "build|verify [RUN]" has two; "": none. */
static const char *literals_of(const struct verb *verb, char out[LITERALS_BYTES])
{
    static const char LETTERS[] = "abcdefghijklmnopqrstuvwxyz-";
    size_t used = 0;
    *out = 0;
    for (const char *at = verb->words; *at; at += strspn(at, " |")) {
        size_t length = strcspn(at, " |");
        if (length == strspn(at, LETTERS) && *at != '-' && used < LITERALS_BYTES)
            used += (size_t)snprintf(out + used, LITERALS_BYTES - used, "%s%.*s", used ? " " : "",
                                     (int)length, at);
        at += length;
    }
    return out;
}

/* --- bash --- */

static void print_bash(const struct verb *verbs, size_t count)
{
    printf(
        "# bash completion of orchctl; written by `orchctl completion bash`\n"
        "_orchctl_processes() {\n"
        "    orchctl status --json 2>/dev/null | grep -o '\"name\":\"[a-z.0-9]*\",\"pid\"' | cut -d'\"' -f4\n"
        "}\n"
        "_orchctl_runs() {\n"
        "    ls artifacts/run_logs/run_manifest_*.json 2>/dev/null | sed 's,.*/run_manifest_,,; "
        "s,[.]json$,,'\n"
        "}\n"
        "_orchctl() {\n"
        "    local word=\"${COMP_WORDS[COMP_CWORD]}\" verb='' help='' i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case \"${COMP_WORDS[i]}\" in\n"
        "        --dir | --timeout) ((i++)) ;;\n"
        "        -*) ;;\n"
        "        help) help=help ;;\n"
        "        *) verb=\"${COMP_WORDS[i]}\" && break ;;\n"
        "        esac\n"
        "    done\n"
        "    local options='");
    print_option_names(NULL, options_common());
    printf(" -h' words=''\n    case \"$verb\" in\n    '') words='");
    for (size_t i = 0; i < count; i++)
        printf(" %s", verbs[i].name);
    printf("'; [[ $help ]] || words+=' help' ;;\n");
    for (size_t i = 0; i < count; i++) {
        char literals[LITERALS_BYTES];
        printf("    %s) options='", verbs[i].name);
        print_option_names(&verbs[i], options_common());
        print_option_names(&verbs[i], verbs[i].options);
        printf(" -h' words='%s'", literals_of(&verbs[i], literals));
        if (takes_process(&verbs[i]))
            printf("\" $(_orchctl_processes) orchestrator\"");
        if (names_run(&verbs[i]))
            printf("\" $(_orchctl_runs)\"");
        printf(" ;;\n");
    }
    printf("    esac\n"
           "    [[ ${COMP_WORDS[COMP_CWORD - 1]} != --run-id ]] || words=\"$(_orchctl_runs)\"\n"
           "    if [[ $word == -* ]]; then words=\"$options\"; fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "    [[ ${#COMPREPLY[@]} -gt 0 || $word == -* ]] || mapfile -t COMPREPLY < <(compgen -f -- "
           "\"$word\")\n"
           "}\n"
           "complete -F _orchctl orchctl\n");
}

/* --- zsh --- */

/* print_quoted: inside single quotes of a zsh specification, where colons and brackets mean something, too. */
static void print_quoted(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(":[]", *text))
            printf("\\%c", *text);
        else
            putchar(*text);
}

static void print_zsh_options(const struct verb_option *options)
{
    for (; options->name; options++) {
        if (!options->help)
            continue;
        printf(" '%s[", options->name);
        print_quoted(options->help);
        printf("]");
        if (options->argument)
            printf(":%s:%s", options->argument,
                   strcmp(options->argument, "DIR") == 0   ? "_files -/"
                   : strcmp(options->argument, "RUN") == 0 ? "_orchctl_runs"
                                                           : "");
        putchar('\'');
    }
}

/* print_zsh_common: the list of them, less what a verb has no use for. */
static void print_zsh_common(const struct verb *verb)
{
    const char *json = verb_takes(verb, "--json") ? "" : "--json*",
               *timeout = verb_takes(verb, "--timeout") ? "" : "--timeout*";
    if (*json || *timeout)
        printf("${${common:#%s}:#%s}", json, timeout);
    else
        printf("$common");
}

/* print_zsh_words: words as they stand come first, then names of processes, runs or files. */
static void print_zsh_words(const struct verb *verb)
{
    char literals[LITERALS_BYTES];
    if (*literals_of(verb, literals))
        printf(" '1:word:(%s)'", literals);
    printf(" '*:%s'", takes_process(verb) ? "process:_orchctl_processes"
                      : names_run(verb)   ? "run:_orchctl_runs"
                                          : "file:_files");
}

static void print_zsh(const struct verb *verbs, size_t count)
{
    printf("#compdef orchctl\n# zsh completion of orchctl; written by `orchctl completion zsh`\n"
           "_orchctl_processes() {\n"
           "    local -a names\n"
           "    names=(${(f)\"$(orchctl status --json 2>/dev/null | grep -o "
           "'\"name\":\"[a-z.0-9]*\",\"pid\"' | cut -d'\"' -f4)\"} "
           "orchestrator)\n"
           "    compadd -a names\n"
           "}\n"
           "_orchctl_runs() {\n"
           "    local -a names\n"
           "    names=(artifacts/run_logs/run_manifest_*.json(N))\n"
           "    names=(${${names#*/run_manifest_}%%.json})\n"
           "    compadd -a names\n"
           "}\n"
           "_orchctl() {\n"
           "    local -a verbs common\n"
           "    local curcontext=\"$curcontext\" state line\n"
           "    common=(");
    print_zsh_options(options_common());
    printf(" '-h[the same as --help]')\n    verbs=( 'help:what there is, or more about one verb'");
    for (size_t i = 0; i < count; i++) {
        printf(" '%s:", verbs[i].name);
        print_quoted(verbs[i].summary);
        putchar('\'');
    }
    printf(")\n"
           "    _arguments -C $common '1:verb:->verb' '*::words:->words'\n"
           "    case $state in\n"
           "    verb) _describe verb verbs ;;\n"
           "    words)\n"
           "        case $line[1] in\n"
           "        help) _describe verb verbs ;;\n");
    for (size_t i = 0; i < count; i++) {
        printf("        %s) _arguments ", verbs[i].name);
        print_zsh_common(&verbs[i]);
        print_zsh_options(verbs[i].options);
        print_zsh_words(&verbs[i]);
        printf(" ;;\n");
    }
    printf("        esac ;;\n    esac\n}\n_orchctl \"$@\"\n");
}

/* --- man --- */

/* print_beyond_ascii: a character of two or three bytes by its number; returns how many more bytes than one it has. */
static size_t print_beyond_ascii(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    unsigned code = byte[0] & (byte[0] < 0xe0 ? 0x1fu : 0x0fu);
    size_t more = byte[0] < 0xe0 ? 1 : 2, i = 0;
    for (; i < more && (byte[i + 1] & 0xc0) == 0x80; i++)
        code = code << 6 | (byte[i + 1] & 0x3fu);
    printf("\\[u%04X]", code);
    return i;
}

/* print_roff: a text in which nothing is a command of roff. */
static void print_roff(const char *text)
{
    for (bool begin = true; *text; begin = *text == '\n', text++) {
        if (begin && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if ((unsigned char)*text >= 0xc0)
            text += print_beyond_ascii(text);
        else
            putchar(*text);
    }
}

static void print_man_options(const struct verb_option *options)
{
    for (; options->name; options++) {
        if (!options->help)
            continue;
        printf(".TP\n.B ");
        print_roff(options->name);
        if (options->argument)
            printf(" \\fI%s\\fR", options->argument);
        putchar('\n');
        print_roff(options->help);
        putchar('\n');
    }
}

static void print_man(const struct verb *verbs, size_t count)
{
    printf(".TH ORCHCTL 1 \"\" \"%s\" \"orderflow\"\n"
           ".SH NAME\norchctl \\- asks and tells the orchestrator of a folder, reads streams and files of "
           "its run\n"
           ".SH SYNOPSIS\n.B orchctl\n[\\fB\\-\\-dir\\fR \\fIDIR\\fR] \\fIVERB\\fR [\\fIarguments\\fR]\n"
           ".SH OPTIONS\nFor every verb, unless it says otherwise, before or behind it.\n",
           ORDERFLOW_VERSION);
    print_man_options(options_common());
    printf(".SH VERBS\n");
    for (size_t i = 0; i < count; i++) {
        printf(".SS ");
        print_roff(verbs[i].name);
        if (*verbs[i].words) {
            printf(" \\fI");
            print_roff(verbs[i].words);
            printf("\\fR");
        }
        putchar('\n');
        print_roff(verbs[i].summary);
        printf(".\n");
        for (const struct verb_option *option = options_common(); option->name; option++)
            if (!verb_takes(&verbs[i], option->name)) {
                printf("Takes no ");
                print_roff(option->name);
                printf(".\n");
            }
        print_man_options(verbs[i].options);
    }
    printf(".SH EXIT STATUS\n");
    for (const struct exit_meaning *exit = exits_all(); exit->text; exit++) {
        printf(".TP\n.B %d\n", exit->code);
        print_roff(exit->text);
        putchar('\n');
    }
    printf(".SH FILES\n.TP\n.I runtime/orchestrator.lock\nwho runs here\n"
           ".TP\n.I runtime/effective_config.json\nthe configuration all share\n"
           ".SH SEE ALSO\ndocs/operations.md and docs/control\\-protocol.md of the source tree\n");
}

int verb_completion(const struct invocation *invocation)
{
    static const struct {
        const char *name;
        void (*print)(const struct verb *verbs, size_t count);
    } KINDS[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"man", print_man}};
    size_t count;
    const struct verb *verbs = verbs_all(&count);
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (strcmp(KINDS[i].name, invocation->words[0]) == 0) {
            KINDS[i].print(verbs, count);
            return EXIT_FINE;
        }
    return complain(EXIT_WRONG_USE, "completion: '%s' is neither bash, zsh nor man", invocation->words[0]);
}
