//! The roles of people: of a user in the service, and of a member in an account.

use crate::words::words;

words! {
    /// A user's role in this service.
    pub enum UserRole {
        /// A customer.
        User = "user",
        /// An operator who looks.
        Viewer = "viewer",
        /// An operator who helps customers.
        Support = "support",
        /// An operator who looks after the money.
        Finance = "finance",
        /// An operator who may do everything.
        Admin = "admin",
    }
}

impl UserRole {
    /// Whether the user is an operator.
    pub const fn is_operator(self) -> bool {
        !matches!(self, UserRole::User)
    }
}

words! {
    /// A member's role in an account, and the role that an act needs. Each includes the ones before
    /// it, so that a role is enough when it is at least the one that is needed.
    pub enum MemberRole {
        /// A member who may look and spend credits.
        Member = "member",
        /// A member who may buy, change and cancel.
        Billing = "billing",
        /// A member who decides who belongs to the account, and whether it is closed.
        Owner = "owner",
    }
}

#[cfg(test)]
mod tests {
    use super::MemberRole;

    #[test]
    fn a_role_includes_the_ones_before_it_and_an_unknown_word_is_no_role() {
        assert!(MemberRole::Owner > MemberRole::Billing);
        assert!(MemberRole::Billing > MemberRole::Member);
        assert_eq!(MemberRole::from_word("somebody"), None);
    }
}
