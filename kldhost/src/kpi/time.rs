//! time(9).

use super::{arg_mut, kpi};
use crate::abi::layout::Bintime;

kpi! {
    /// The time since boot, from which the absolute timeouts of sleep(9) are counted.
    fn binuptime(td, to: *mut Bintime) -> () {
        let uptime = td.kernel().boot.elapsed();
        let frac = (u128::from(uptime.subsec_nanos()) << 64) / 1_000_000_000;
        *arg_mut(td, "binuptime", to)? = Bintime { sec: uptime.as_secs() as i64, frac: frac as u64 };
        Ok(())
    }
}
