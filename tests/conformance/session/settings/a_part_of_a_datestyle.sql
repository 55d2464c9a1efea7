SET DateStyle = German
SHOW DateStyle
SET DateStyle = MDY
SHOW DateStyle
SET DateStyle = ISO
SHOW DateStyle
SET DateStyle = SQL, YMD
SHOW DateStyle
SET DateStyle = MDY
SHOW DateStyle
