//! The part of Ocean's contracts that is called here, of version 2.6.0 of npm's `@oceanprotocol/contracts`
//! (<https://github.com/oceanprotocol/contracts/tree/v4main>, Apache-2.0).

use alloy::sol;

sol! {
    #[derive(Debug)]
    struct NftCreateData {
        string name;
        string symbol;
        uint256 templateIndex;
        string tokenURI;
        bool transferable;
        address owner;
    }

    /// `strings`: name, symbol. `addresses`: minter, payment collector, publishing market, token of its fee.
    /// `uints`: cap, fee of the publishing market.
    #[derive(Debug)]
    struct ErcCreateData {
        uint256 templateIndex;
        string[] strings;
        address[] addresses;
        uint256[] uints;
        bytes[] bytess;
    }

    /// `addresses`: base token, owner, market, the one account that may swap or zero. `uints`: decimals of the base
    /// token, decimals of the datatoken, rate, fee of the market, whether it mints.
    #[derive(Debug)]
    struct FixedData {
        address fixedPriceAddress;
        address[] addresses;
        uint256[] uints;
    }

    #[derive(Debug)]
    struct DispenserData {
        address dispenserAddress;
        uint256 maxTokens;
        uint256 maxBalance;
        bool withMint;
        address allowedSwapper;
    }

    #[derive(Debug)]
    struct ProviderFeeData {
        address providerFeeAddress;
        address providerFeeToken;
        uint256 providerFeeAmount;
        uint8 v;
        bytes32 r;
        bytes32 s;
        uint256 validUntil;
        bytes providerData;
    }

    #[derive(Debug)]
    struct ConsumeMarketFeeData {
        address consumeMarketFeeAddress;
        address consumeMarketFeeToken;
        uint256 consumeMarketFeeAmount;
    }

    #[derive(Debug)]
    struct OrderParams {
        address consumer;
        uint256 serviceIndex;
        ProviderFeeData providerFee;
        ConsumeMarketFeeData consumeMarketFee;
    }

    #[derive(Debug)]
    struct FreParams {
        address exchangeContract;
        bytes32 exchangeId;
        uint256 maxBaseTokenAmount;
        uint256 swapMarketFee;
        address marketFeeAddress;
    }

    #[derive(Debug)]
    struct TokenOrder {
        address tokenAddress;
        address consumer;
        uint256 serviceIndex;
        ProviderFeeData providerFee;
        ConsumeMarketFeeData consumeMarketFee;
    }

    #[derive(Debug)]
    struct MetadataProof {
        address validatorAddress;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    #[derive(Debug)]
    struct FixedRateOfToken {
        address contractAddress;
        bytes32 id;
    }

    interface Factory {
        event NFTCreated(
            address newTokenAddress, address indexed templateAddress, string tokenName, address indexed admin,
            string symbol, string tokenURI, bool transferable, address indexed creator
        );
        event TokenCreated(
            address indexed newTokenAddress, address indexed templateAddress, string name, string symbol, uint256 cap,
            address creator
        );

        function createNftWithErc20(NftCreateData nft, ErcCreateData erc) external returns (address, address);
        function createNftWithErc20WithFixedRate(NftCreateData nft, ErcCreateData erc, FixedData fixedRate)
            external returns (address, address, bytes32);
        function createNftWithErc20WithDispenser(NftCreateData nft, ErcCreateData erc, DispenserData dispenser)
            external returns (address, address);
        function startMultipleTokenOrder(TokenOrder[] orders) external;
        function erc721List(address nft) external view returns (address);
        function erc20List(address token) external view returns (bool);
        function router() external view returns (address);
    }

    interface Nft {
        event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
        event DataChanged(bytes32 indexed key, bytes value);
        event MetadataCreated(
            address indexed createdBy, uint8 state, string decryptorUrl, bytes flags, bytes data, bytes32 metaDataHash,
            uint256 timestamp, uint256 blockNumber
        );
        event MetadataUpdated(
            address indexed updatedBy, uint8 state, string decryptorUrl, bytes flags, bytes data, bytes32 metaDataHash,
            uint256 timestamp, uint256 blockNumber
        );
        event MetadataState(address indexed updatedBy, uint8 state, uint256 timestamp, uint256 blockNumber);

        function ownerOf(uint256 tokenId) external view returns (address);
        function isDeployed(address datatoken) external view returns (bool);
        function transferable() external view returns (bool);
        function tokenURI(uint256 tokenId) external view returns (string);
        function getTokensList() external view returns (address[]);
        function getPermissions(address user)
            external view returns (bool manager, bool deployERC20, bool updateMetadata, bool store);
        function getMetaData()
            external view returns (string decryptorUrl, string decryptorAddress, uint8 state, bool has);
        function setNewData(bytes32 key, bytes value) external;
        function setMetaData(
            uint8 state, string decryptorUrl, string decryptorAddress, bytes flags, bytes data, bytes32 hash,
            MetadataProof[] proofs
        ) external;
        function transferFrom(address from, address to, uint256 tokenId) external;
        function addManager(address account) external;
        function addToMetadataList(address account) external;
        function addToCreateERC20List(address account) external;
        function addTo725StoreList(address account) external;
        function removeFromMetadataList(address account) external;
        function removeFromCreateERC20List(address account) external;
        function removeFrom725StoreList(address account) external;
    }

    interface Datatoken {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event OrderStarted(
            address indexed consumer, address payer, uint256 amount, uint256 serviceIndex, uint256 timestamp,
            address indexed publishMarketAddress, uint256 blockNumber
        );
        event OrderReused(bytes32 orderTxId, address caller, uint256 timestamp, uint256 number);
        event OrderExecuted(
            address indexed providerAddress, address indexed consumerAddress, bytes32 orderTxId, bytes providerData,
            bytes providerSignature, bytes consumerData, bytes consumerSignature, uint256 timestamp, uint256 blockNumber
        );
        event ProviderFee(
            address indexed providerFeeAddress, address indexed providerFeeToken, uint256 providerFeeAmount,
            bytes providerData, uint8 v, bytes32 r, bytes32 s, uint256 validUntil
        );
        event AddedMinter(address indexed user, address indexed signer, uint256 timestamp, uint256 blockNumber);
        event RemovedMinter(address indexed user, address indexed signer, uint256 timestamp, uint256 blockNumber);
        event CleanedPermissions(address indexed signer, uint256 timestamp, uint256 blockNumber);

        function name() external view returns (string);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
        function cap() external view returns (uint256);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 amount) external returns (bool);
        function transfer(address to, uint256 amount) external returns (bool);
        function nonces(address owner) external view returns (uint256);
        function DOMAIN_SEPARATOR() external view returns (bytes32);
        function permit(
            address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s
        ) external;
        function getId() external pure returns (uint8);
        function getERC721Address() external view returns (address);
        function getPaymentCollector() external view returns (address);
        function setPaymentCollector(address collector) external;
        function getPublishingMarketFee() external view returns (address market, address token, uint256 amount);
        function isMinter(address account) external view returns (bool);
        function mint(address to, uint256 amount) external;
        function addMinter(address account) external;
        function removeMinter(address account) external;
        function getFixedRates() external view returns (FixedRateOfToken[]);
        function getDispensers() external view returns (address[]);
        function createFixedRate(address exchange, address[] addresses, uint256[] uints) external returns (bytes32);
        function createDispenser(
            address dispenser, uint256 maxTokens, uint256 maxBalance, bool withMint, address allowedSwapper
        ) external;
        function startOrder(
            address consumer, uint256 serviceIndex, ProviderFeeData providerFee, ConsumeMarketFeeData consumeMarketFee
        ) external;
        function reuseOrder(bytes32 orderTxId, ProviderFeeData providerFee) external;
        function orderExecuted(
            bytes32 orderTxId, bytes providerData, bytes providerSignature, bytes consumerData, bytes consumerSignature,
            address consumer
        ) external;
        function buyFromFreAndOrder(OrderParams order, FreParams fre) external;
        function buyFromDispenserAndOrder(OrderParams order, address dispenser) external;
    }

    interface FixedRateExchange {
        event ExchangeCreated(
            bytes32 indexed exchangeId, address indexed baseToken, address indexed datatoken, address exchangeOwner,
            uint256 fixedRate
        );
        event Swapped(
            bytes32 indexed exchangeId, address indexed by, uint256 baseTokenSwappedAmount, uint256 datatokenSwappedAmount,
            address tokenOutAddress, uint256 marketFeeAmount, uint256 oceanFeeAmount, uint256 consumeMarketFeeAmount
        );

        function MIN_RATE() external view returns (uint256);
        function getExchange(bytes32 id) external view returns (
            address exchangeOwner, address datatoken, uint256 dtDecimals, address baseToken, uint256 btDecimals,
            uint256 fixedRate, bool active, uint256 dtSupply, uint256 btSupply, uint256 dtBalance, uint256 btBalance,
            bool withMint
        );
        function getAllowedSwapper(bytes32 id) external view returns (address);
        function getMarketFee(bytes32 id) external view returns (uint256);
        function calcBaseInGivenOutDT(bytes32 id, uint256 amount, uint256 consumeMarketFee) external view returns (
            uint256 baseTokenAmount, uint256 oceanFee, uint256 publishMarketFee, uint256 consumeMarketFeeAmount
        );
        function setRate(bytes32 id, uint256 rate) external;
        function toggleExchangeState(bytes32 id) external;
        function toggleMintState(bytes32 id, bool withMint) external;
        function buyDT(
            bytes32 id, uint256 amount, uint256 maxBaseTokenAmount, address consumeMarket, uint256 consumeMarketFee
        ) external;
        function collectBT(bytes32 id, uint256 amount) external;
        function collectMarketFee(bytes32 id) external;
    }

    interface DispenserContract {
        event DispenserCreated(
            address indexed datatokenAddress, address indexed owner, uint256 maxTokens, uint256 maxBalance,
            address allowedSwapper
        );
        event TokensDispensed(address indexed datatokenAddress, address indexed userAddress, uint256 amount);

        function status(address datatoken) external view returns (
            bool active, address owner, bool isMinter, uint256 maxTokens, uint256 maxBalance, uint256 balance,
            address allowedSwapper
        );
        function activate(address datatoken, uint256 maxTokens, uint256 maxBalance) external;
        function deactivate(address datatoken) external;
        function dispense(address datatoken, uint256 amount, address destination) external;
    }

    interface EscrowContract {
        #[derive(Debug)]
        struct Funds { uint256 available; uint256 locked; }
        #[derive(Debug)]
        struct Authorization {
            address payee; uint256 maxLockedAmount; uint256 currentLockedAmount; uint256 maxLockSeconds;
            uint256 maxLockCounts; uint256 currentLocks;
        }
        #[derive(Debug)]
        struct LockEntry { uint256 jobId; address payer; uint256 amount; uint256 expiry; address token; }

        event Claimed(
            address indexed payee, uint256 jobId, address token, address indexed payer, uint256 amount, bytes proof
        );

        function deposit(address token, uint256 amount) external;
        function withdraw(address[] token, uint256[] amount) external;
        function authorize(
            address token, address payee, uint256 maxLockedAmount, uint256 maxLockSeconds, uint256 maxLockCounts
        ) external;
        function createLock(uint256 jobId, address token, address payer, uint256 amount, uint256 expiry) external;
        function claimLockAndWithdraw(uint256 jobId, address token, address payer, uint256 amount, bytes proof) external;
        function claimLock(uint256 jobId, address token, address payer, uint256 amount, bytes proof) external;
        function cancelExpiredLock(uint256 jobId, address token, address payer, address payee) external;
        function getUserFunds(address payer, address token) external view returns (Funds);
        function getAuthorizations(address token, address payer, address payee)
            external view returns (Authorization[]);
        function getLocks(address token, address payer, address payee) external view returns (LockEntry[]);
    }

    interface Router {
        function getOPCFee(address baseToken) external view returns (uint256);
        function getOPCConsumeFee() external view returns (uint256);
        function getOPCProviderFee() external view returns (uint256);
    }
}
