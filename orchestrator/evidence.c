#include "evidence.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void evidence_add(struct evidence *evidence, const char *name, double value, const char *source_file,
                  const char *source_field)
{
    assert(evidence->count < EVIDENCE_FACTS_MAX && !evidence_find(evidence, name));
    struct evidence_fact *fact = &evidence->facts[evidence->count++];
    fact->value = value;
    snprintf(fact->name, sizeof fact->name, "%s", name);
    snprintf(fact->source_file, sizeof fact->source_file, "%s", source_file);
    snprintf(fact->source_field, sizeof fact->source_field, "%s", source_field);
}

const struct evidence_fact *evidence_find(const struct evidence *evidence, const char *name)
{
    for (size_t i = 0; i < evidence->count; i++)
        if (strcmp(evidence->facts[i].name, name) == 0)
            return &evidence->facts[i];
    return NULL;
}

void evidence_gather(const struct evidence_places *places, struct evidence *out_evidence)
{
    *out_evidence = (struct evidence){0};
    evidence_from_status(places, out_evidence);
    evidence_from_signals(places, out_evidence);
    evidence_from_files(places, out_evidence);
}
