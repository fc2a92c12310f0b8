// lonja-fix: the FIX gateway.
#include "base/boot.h"
#include "base/log.h"
#include "gateway/fix/gateway.h"

int main(void)
{
    const struct boot *boot = boot_inherit(PROCESS_FIX);
    log_open("fix");
    return gateway_run(boot);
}
