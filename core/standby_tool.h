// The operator's commands of replication: `lonja standby promote|degrade|restore`. They write notes
// into the state folder (replica_note.h), which the processes there obey.
#ifndef LONJA_CORE_STANDBY_TOOL_H
#define LONJA_CORE_STANDBY_TOOL_H

#define STANDBY_LOCK_NAME "standby.lock" // in the journal's folder, held (flock) by lonja-standby

// `words` ends with NULL. Returns the exit status.
int standby_tool(char **words);

#endif
