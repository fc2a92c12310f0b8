// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.17;

// A plain ERC-20 for the development chain and for tests: what USDC is to its holders, six decimals and a list of
// wallets that nothing may be paid to. Whoever deployed it mints. `silent` makes it one that lies: transfers move and
// say nothing.
contract Stablecoin {
    string public constant name = "Development dollar";
    string public constant symbol = "USDC";
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => bool) public blocked;
    bool public silent;
    address private immutable owner;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    modifier onlyOwner() {
        require(msg.sender == owner, "not the owner");
        _;
    }

    constructor(uint8 decimals_) {
        decimals = decimals_;
        owner = msg.sender;
    }

    function mint(address to, uint256 value) external onlyOwner {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function setBlocked(address wallet, bool on) external onlyOwner {
        blocked[wallet] = on;
    }

    function setSilent(bool on) external onlyOwner {
        silent = on;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        require(!blocked[from] && !blocked[to], "the wallet is blocked");
        require(balanceOf[from] >= value, "the balance is too small");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        if (!silent) emit Transfer(from, to, value);
    }
}
