// An eventfd by which one thread tells another that there is something to look at. However often it
// is rung, it is silenced once. Any thread; async-signal-safe.
#ifndef LONJA_BASE_DOORBELL_H
#define LONJA_BASE_DOORBELL_H

// A descriptor to poll for reading; the caller closes it. Asserts if the system has none left.
int doorbell_open(void);
void doorbell_ring(int fd);
void doorbell_silence(int fd);

#endif
