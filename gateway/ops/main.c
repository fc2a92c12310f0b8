#include "base/log.h"
#include "gateway/ops/ops.h"

int main(void)
{
    log_open("ops");
    return ops_run(boot_inherit(PROCESS_OPS));
}
