"""Chinese vendors through akshare: Eastmoney, Sina and Tencent, and what the exchanges publish."""
