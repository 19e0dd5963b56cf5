package sum

// Sum returns the sum of the numbers.
func Sum(numbers []int) int {
	todo("1A", "add up the numbers")
	return 0
}
