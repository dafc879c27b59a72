//! The roles of a user in this service, and of a member in an account.

use crate::words::words;

words! {
    /// A user's role in this service.
    pub enum UserRole {
        /// A customer.
        User = "user",
        /// An operator with read-only access.
        Viewer = "viewer",
        /// An operator who helps customers.
        Support = "support",
        /// An operator who manages money.
        Finance = "finance",
        /// An operator with all permissions.
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
    /// A member's role in an account, and the role that an action requires. Each role includes the
    /// previous ones, so a role is sufficient when it is at least the required one.
    pub enum MemberRole {
        /// A member who may view the account and spend credits.
        Member = "member",
        /// A member who may also buy, change and cancel.
        Billing = "billing",
        /// A member who may also manage members and close the account.
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
