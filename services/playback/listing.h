/* listing: `playback --list`: reads all that would be played, as it would be played, and says what it is, as one JSON object:
 *
 *     {"files":14,"rows":1200,"played":1198,"repeated":2,"rejected":0,"reasons":{},
 *      "symbols":[{"symbol":"BTCUSDT","rows":…,"first_ts_ms":…,"last_ts_ms":…}, …]}
 *
 * The orchestrator asks before it starts anything: what goes through here goes through the run.
 *
 * `playback --hashes`: the same files, as an array of {"path","bytes","sha256"}; nothing of their rows is looked at. */
#pragma once

/* listing_main: `playback --list|--hashes FOLDER [--own-root FOLDER] [--memory-mb N] [--threads N]`. Exit codes as a daemon's: 2 with a sentence
 * for what cannot be played. */
int listing_main(int argc, char **argv);
