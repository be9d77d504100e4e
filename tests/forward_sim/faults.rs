//! Faults that are put in on purpose: does the simulator find bugs?

use smena::node::Node;
use smena::shared::Shared;

use crate::kernel::Kernel;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(debug_assertions), expect(dead_code))]
pub enum Fault {
    /// The end of one way is taken for the end of both.
    EndsBoth,
    /// A byte is lost on its way through a pipe.
    LosesByte,
    /// A fault of the core.
    #[cfg(debug_assertions)]
    Core(smena::mutation::Mutation),
}

impl Fault {
    pub fn breaks_kernel(self, kernel: &mut Kernel) {
        match self {
            Fault::EndsBoth => kernel.ends_both = true,
            Fault::LosesByte => kernel.leaky = true,
            #[cfg(debug_assertions)]
            Fault::Core(_) => {}
        }
    }

    pub fn breaks_node(self, _node: &mut Node<'_>) {
        #[cfg(debug_assertions)]
        if let Fault::Core(mutation) = self {
            _node.break_rule(mutation);
        }
    }

    pub fn breaks_core(self, _shared: &Shared) {
        #[cfg(debug_assertions)]
        if let Fault::Core(mutation) = self {
            _shared.break_rule(mutation);
        }
    }
}
