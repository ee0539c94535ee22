// Counts the locks a program takes: preloaded, it stands before pthread's and adds one to a word of
// the file that LOCK_COUNTER_FILE names, which the measuring side reads while the program runs.
#include <atomic>
#include <cstdlib>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

std::atomic<unsigned long>* open_counter() {
  const char* path = std::getenv("LOCK_COUNTER_FILE");
  int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::_Exit(126);
  void* page = mmap(nullptr, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (page == MAP_FAILED) std::_Exit(126);
  return static_cast<std::atomic<unsigned long>*>(page);
}

void count() {
  static std::atomic<unsigned long>* counter = open_counter();
  counter->fetch_add(1, std::memory_order_relaxed);
}

// The function of the next library that has this name.
template <typename Lock>
using Take = int (*)(Lock*);
template <typename Lock>
Take<Lock> next(const char* name) {
  return reinterpret_cast<Take<Lock>>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {
int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto take = next<pthread_mutex_t>("pthread_mutex_lock");
  count();
  return take(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static const auto take = next<pthread_rwlock_t>("pthread_rwlock_rdlock");
  count();
  return take(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  static const auto take = next<pthread_rwlock_t>("pthread_rwlock_wrlock");
  count();
  return take(lock);
}
}
