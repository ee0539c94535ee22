#pragma once

#include <cstdint>

// What a process does to itself at its start, before other threads.
namespace trunkline::app {

// No core dump, and no other process of the same user may read the memory: keys and passwords are
// in it. False when the system refuses.
bool forbid_core_dumps();

// Raises the soft limit of open descriptors to the hard one, which an administrator meant to be
// used. Returns the limit that is in force.
uint64_t raise_descriptor_limit();

// Writing to a closed connection is an error to handle, not the end of the process. Our own sends
// say so each time; libraries (LDAP, PAM) do not.
void ignore_broken_pipes();

}  // namespace trunkline::app
