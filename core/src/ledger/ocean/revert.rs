//! What a contract says when it refuses.

use alloy::primitives::U256;
use alloy::sol;
use alloy::sol_types::{Panic, PanicKind, Revert, SolError, SolInterface};

use super::rpc::Refusal;

sol! {
    /// Errors of OpenZeppelin's contracts (ERC-6093, <https://eips.ethereum.org/EIPS/eip-6093>), which base tokens use.
    #[derive(Debug)]
    interface Errors {
        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InvalidSender(address sender);
        error ERC20InvalidReceiver(address receiver);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
        error ERC20InvalidApprover(address approver);
        error ERC20InvalidSpender(address spender);
        error ERC20ExceededCap(uint256 increasedSupply, uint256 cap);
        error ERC2612ExpiredSignature(uint256 deadline);
        error ERC2612InvalidSigner(address signer, address owner);
        error ERC721InsufficientApproval(address operator, uint256 tokenId);
        error ERC721InvalidReceiver(address receiver);
        error SafeERC20FailedOperation(address token);
        error OwnableUnauthorizedAccount(address account);
        error AccessControlUnauthorizedAccount(address account, bytes32 neededRole);
        error ReentrancyGuardReentrantCall();
        error EnforcedPause();
    }
}

/// The longest reason that is repeated, in characters.
const LONGEST: usize = 200;

/// The reason in words: a string, a panic's meaning, a known error with its fields, or the bytes of an unknown one.
pub(super) fn reason(refusal: &Refusal) -> String {
    let Refusal::Said { message, data, .. } = refusal else { return refusal.to_string() };
    let Some(data) = data.as_deref().filter(|data| !data.is_empty()) else { return message.clone() };
    let said = of_data(data).unwrap_or_else(|| format!("an error that is unknown here: 0x{}", hex::encode(data)));
    said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

fn of_data(data: &[u8]) -> Option<String> {
    if let Ok(Revert { reason }) = Revert::abi_decode_validate(data) {
        return Some(reason);
    }
    if let Ok(Panic { code }) = Panic::abi_decode_validate(data) {
        let kind = u32::try_from(code).ok().and_then(PanicKind::from_number);
        return Some(match kind {
            Some(kind) => format!("a panic: {}", kind.as_str()),
            None => format!("a panic of code {code:#x}", code = code.min(U256::from(u64::MAX))),
        });
    }
    Errors::ErrorsErrors::abi_decode_validate(data).ok().map(|error| format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    fn said(data: Vec<u8>) -> String {
        reason(&Refusal::Said { code: 3, message: "execution reverted".into(), data: Some(data) })
    }

    #[test]
    fn reasons_are_read() {
        assert_eq!(said(Revert { reason: "Not enough datatokens".into() }.abi_encode()), "Not enough datatokens");
        assert!(said(Panic { code: U256::from(0x11) }.abi_encode()).contains("overflow"));
        let custom =
            Errors::ERC20InsufficientBalance { sender: Address::ZERO, balance: U256::from(3), needed: U256::from(5) };
        let words = said(custom.abi_encode());
        assert!(words.contains("ERC20InsufficientBalance") && words.contains("needed: 5"), "{words}");
        assert_eq!(said(vec![1, 2, 3, 4, 5]), "an error that is unknown here: 0x0102030405");
        assert_eq!(said(vec![]), "execution reverted");
        assert!(said(Revert { reason: "x\n".repeat(1 << 20) }.abi_encode()).len() <= LONGEST);
    }
}
